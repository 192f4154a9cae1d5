-- ARGV: uid, the number of outcomes before the page, how many, how many bytes. Returns whether
-- there are more, then the records.
local uid, from, limit, room = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local last = tonumber(redis.call('HGET', key('job', uid), 'outcomes') or '0')
local page, at = {}, from
while at < last and at - from < limit do
    local row = redis.call('XRANGE', key('outcomes', uid), (at + 1) .. '-0', '+', 'COUNT', 1)[1]
    if not row then break end
    local record = row[2][2]
    room = room - #record
    if room < 0 and at > from then break end
    page[#page + 1] = record
    at = at + 1
end
return { at < last and 1 or 0, page }

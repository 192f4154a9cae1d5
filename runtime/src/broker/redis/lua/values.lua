-- ARGV: for how many bytes there is room, then two a record: uid, field. Returns the records from
-- the first on, false for one that is not there.
local room, page = tonumber(ARGV[1]), {}
for at = 2, #ARGV, 2 do
    local record = redis.call('HGET', key('values', ARGV[at]), ARGV[at + 1])
    room = room - (record and #record or 0)
    if room < 0 and #page > 0 then break end
    page[#page + 1] = record
end
return page

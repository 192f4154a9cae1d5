-- ARGV: a name, or none for all. Returns number, uid and record of each.
local found = {}
local function tell(uid)
    local fields = redis.call('HMGET', key('job', uid), 'number', 'record')
    found[#found + 1] = { tonumber(fields[1] or '0'), uid, fields[2] or '' }
end
if ARGV[1] then
    local uid = redis.call('HGET', JOBS, ARGV[1])
    if uid then tell(uid) end
else
    for _, uid in ipairs(redis.call('HVALS', JOBS)) do tell(uid) end
end
return found

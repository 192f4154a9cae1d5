-- Makes the group if it is not there. Whatever is in the stream is then delivered again, but for
-- what is settled.
local made = redis.pcall('XGROUP', 'CREATE', TASKS, GROUP, '0', 'MKSTREAM')
if made.err then
    if string.match(made.err, 'BUSYGROUP') then return 0 end
    return made
end
for _, uid in ipairs(redis.call('HVALS', JOBS)) do
    if redis.call('EXISTS', key('job', uid)) == 1 then
        redis.call('HSET', key('job', uid), 'in_flight', 0)
    end
end
return 1

-- ARGV: uid. The job is unknown from now on; what it left is removed by `sweep.lua`. Returns
-- whether it was known.
local uid = ARGV[1]
local name = redis.call('HGET', key('job', uid), 'name')
for field, value in pairs(entry_of(redis.call('HGETALL', JOBS))) do
    if value == uid then
        redis.call('HDEL', JOBS, field)
        name = field
    end
end
if not name then return 0 end
redis.call('SADD', P .. ':purging', uid)
redis.call('UNLINK', key('job', uid))
return 1

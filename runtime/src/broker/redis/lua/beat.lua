-- ARGV: worker, its beat. Forgets workers that have not been heard of for an hour.
local now = time_ms()
redis.call('HSET', P .. ':beats', ARGV[1], ARGV[2])
redis.call('ZADD', P .. ':beaten', now, ARGV[1])
local silent = redis.call('ZRANGEBYSCORE', P .. ':beaten', '-inf', now - 3600000, 'LIMIT', 0, 100)
for _, worker in ipairs(silent) do
    redis.call('HDEL', P .. ':beats', worker)
    redis.call('ZREM', P .. ':beaten', worker)
end
return 0

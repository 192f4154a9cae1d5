-- ARGV: within how many ms. Returns the beats of all workers that were heard of since.
local since = time_ms() - tonumber(ARGV[1])
local beats = {}
for _, worker in ipairs(redis.call('ZRANGEBYSCORE', P .. ':beaten', since, '+inf')) do
    local beat = redis.call('HGET', P .. ':beats', worker)
    if beat then beats[#beats + 1] = beat end
end
return beats

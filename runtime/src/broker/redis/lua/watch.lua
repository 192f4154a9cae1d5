-- ARGV: consumer, how often in ms, after how many ms a silent consumer is forgotten. Returns the
-- other consumers on which something is pending, if nobody looked for that long. Forgets those
-- that are long gone and hold nothing.
local me, every, forget, now = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), time_ms()
if now - tonumber(redis.call('HGET', CONTROL, 'watched') or '0') < every then return {} end
redis.call('HSET', CONTROL, 'watched', now)
local holders = {}
for _, fields in ipairs(redis.call('XINFO', 'CONSUMERS', TASKS, GROUP)) do
    local consumer = entry_of(fields)
    if consumer.name ~= me and consumer.pending > 0 then
        holders[#holders + 1] = consumer.name
    elseif consumer.name ~= me and consumer.idle >= forget then
        -- In this script nothing can become pending on it in between.
        redis.call('XGROUP', 'DELCONSUMER', TASKS, GROUP, consumer.name)
        redis.call('HDEL', P .. ':consumers', consumer.name)
    end
end
if #holders == 0 then redis.call('DEL', P .. ':missing') end
return holders

-- ARGV: after how many ms a consumer without a connection counts as dead, then those that have
-- none. What a dead one holds has ended its lease. Returns how many are dead.
local patience, dead, missing = tonumber(ARGV[1]), 0, {}
local now, calm = tick()
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
if now < calm or run ~= redis.call('HGET', CONTROL, 'run') then
    -- After an outage all of them lack one for a while.
    redis.call('DEL', P .. ':missing')
    return 0
end
for at = 2, #ARGV do missing[ARGV[at]] = true end
for _, consumer in ipairs(redis.call('HKEYS', P .. ':missing')) do
    if not missing[consumer] then redis.call('HDEL', P .. ':missing', consumer) end
end
for consumer in pairs(missing) do
    local since = redis.call('HGET', P .. ':missing', consumer)
    if not since then
        redis.call('HSET', P .. ':missing', consumer, now)
    elseif now - tonumber(since) >= patience then
        local longest = tonumber(redis.call('HGET', CONTROL, 'longest') or '0')
        local pending = redis.call('XPENDING', TASKS, GROUP, '-', '+', 1000, consumer)
        local ids = {}
        for _, entry in ipairs(pending) do
            if entry[3] <= longest then ids[#ids + 1] = entry[1] end
        end
        if #ids > 0 then
            -- Still its own, should it live: until somebody takes it over.
            local claim = { 'XCLAIM', TASKS, GROUP, consumer, 0 }
            for _, id in ipairs(ids) do claim[#claim + 1] = id end
            claim[#claim + 1] = 'IDLE'
            claim[#claim + 1] = longest + 1
            claim[#claim + 1] = 'JUSTID'
            redis.call(unpack(claim))
        end
        dead = dead + 1
    end
end
return dead

-- ARGV: consumer, credit, its lease in ms. Returns in how many ms something delayed comes due (-1:
-- nothing is delayed), then of each delivery: entry id, its deliveries, for how many ms it waited,
-- the entry's fields.
local me, credit, lease = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local now, calm = tick(lease)
local control = redis.call('HMGET', CONTROL, 'restamp', 'swept', 'cursor', 'run')
local wall = wall_ms()
if redis.call('HGET', P .. ':consumers', me) ~= ARGV[3] then
    redis.call('HSET', P .. ':consumers', me, lease)
end

-- What was delayed and is due goes to the end of the stream, in the order in which it came due.
for _, name in ipairs(redis.call('ZRANGEBYSCORE', DELAYED, '-inf', now, 'LIMIT', 0, 200)) do
    redis.call('ZREM', DELAYED, name)
    local uid, place = string.sub(name, 1, 32), string.sub(name, 34)
    local moved, found = redis.call('HGET', key('moved', uid), place), job(uid)
    if found and not found.cancelled and moved and string.sub(moved, 1, 1) == 'd' then
        local id = append(cmsgpack.unpack(string.sub(moved, 2)))
        redis.call('HSET', key('moved', uid), place, 'e' .. id)
        add(uid, 'delayed', -1)
    end
end

-- After a step back of the server's clock, what was handed out or renewed before is its consumer's
-- until that clock is there again, and nobody could take it over: its lease begins anew. Such a time,
-- being in the future, counts as now; what is really of now is not changed.
local function restamp(from)
    local pending = redis.call('XPENDING', TASKS, GROUP, from, '+', 500)
    local held = {}
    for _, entry in ipairs(pending) do
        if entry[3] == 0 then
            local claim = held[entry[2]] or { 'XCLAIM', TASKS, GROUP, entry[2], 0 }
            claim[#claim + 1] = entry[1]
            held[entry[2]] = claim
        end
    end
    for _, claim in pairs(held) do
        claim[#claim + 1] = 'JUSTID'
        redis.call(unpack(claim))
    end
    if #pending == 500 then
        redis.call('HSET', CONTROL, 'restamp', '(' .. pending[500][1])
    else
        redis.call('HDEL', CONTROL, 'restamp')
    end
end
if control[1] then restamp(control[1]) end

local deliveries = {}
local function deliver(id, fields, count, taken_over)
    local entry = entry_of(fields)
    if not is_chunk(entry) then return set_aside(id, entry, 'it is no chunk') end
    if #entry.m > 16777216 then return set_aside(id, entry, 'it is too long') end
    local found = job(entry.j)
    local counted = taken_over and 1 or 0
    if not found or found.cancelled then return remove(id) end
    if is_settled(found, entry.j, entry.c, entry.g) then
        add(entry.j, 'in_flight', -counted)
        return remove(id)
    end
    add(entry.j, 'in_flight', 1 - counted)
    if taken_over or entry.n then add(entry.j, 'redelivered', 1) end
    -- Ids do not go back with the clock.
    local waited = taken_over and 0 or math.max(wall - tonumber(string.match(id, '^%d+')), 0)
    deliveries[#deliveries + 1] = { id, count, waited, fields }
end

-- Takes over leases that ended, the scan's cursor being shared by all consumers.
local function sweep()
    if now < calm then return end
    local cursor = control[3] or '0-0'
    if cursor == '0-0' then
        if now - tonumber(control[2] or '0') < lease / 20 then return end
        local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
        if run ~= control[4] then
            redis.call('HSET', CONTROL, 'run', run)
            if control[4] then
                calm = now + lease
                redis.call('HSET', CONTROL, 'calm', calm)
            end
        end
        -- How long work is a consumer's is its own affair: the longest lease counts for all.
        for _, other in ipairs(redis.call('HVALS', P .. ':consumers')) do
            lease = math.max(lease, tonumber(other))
        end
        redis.call('HSET', CONTROL, 'longest', lease)
    else
        lease = math.max(lease, tonumber(redis.call('HGET', CONTROL, 'longest') or '0'))
    end
    if now < calm then return end
    for _ = 1, 10 do
        local room = math.min(credit - #deliveries, 100)
        if room <= 0 then break end
        local step = redis.call('XAUTOCLAIM', TASKS, GROUP, me, lease, cursor, 'COUNT', room)
        cursor = step[1]
        for _, taken in ipairs(step[2]) do
            local pending = redis.call('XPENDING', TASKS, GROUP, taken[1], taken[1], 1)[1]
            deliver(taken[1], taken[2], pending[4], true)
        end
        if cursor == '0-0' then break end
    end
    redis.call('HSET', CONTROL, 'cursor', cursor, 'swept', now)
end
sweep()

local newest = nil
for _ = 1, 20 do
    local room = credit - #deliveries
    if room <= 0 then break end
    local read = redis.call('XREADGROUP', 'GROUP', GROUP, me, 'COUNT', room, 'STREAMS', TASKS, '>')
    if not read then break end
    local entries = read[1][2]
    for _, fresh in ipairs(entries) do
        newest = fresh[1]
        deliver(newest, fresh[2], 1, false)
    end
    if #entries < room then break end
end
close()

-- There is more than this one can take: wakes the next.
if newest and #deliveries == credit and redis.call('LLEN', BELL) == 0 then
    local last = redis.call('XREVRANGE', TASKS, '+', '-', 'COUNT', 1)[1]
    if last and last[1] ~= newest then ring(1) end
end
local due = redis.call('ZRANGE', DELAYED, 0, 0, 'WITHSCORES')[2]
table.insert(deliveries, 1, due and math.max(tonumber(due) - now, 0) or -1)
return deliveries

-- ARGV: ten an outcome: uid, chunk, generation, entry id, how many parameters completed, how many
-- are dead, record, the copy of its dead letters for the stream of those, or none; whether it
-- completed anything; the evaluation whose values are its, or none. Returns F (first), D (duplicate) or N (no such job) for each.
local wall, answers, entries = wall_ms(), {}, {}

local function count(uid, field, by)
    -- A double is exact up to 2^53.
    if #by < 15 then
        add(uid, field, tonumber(by))
    elseif by ~= '0' then
        redis.call('HINCRBY', key('job', uid), field, by)
    end
end

-- The entry that the chunk is in now, where that is not the one it was delivered by.
local function moved_to(uid, found, place)
    if found.moved == nil then found.moved = redis.call('EXISTS', key('moved', uid)) == 1 end
    if not found.moved then return nil end
    local moved = redis.call('HGET', key('moved', uid), place)
    if not moved then return nil end
    redis.call('HDEL', key('moved', uid), place)
    if string.sub(moved, 1, 1) == 'e' then return string.sub(moved, 2) end
    redis.call('ZREM', DELAYED, uid .. '/' .. place)
    add(uid, 'delayed', -1)
    return nil
end

-- Other evaluations of the chunk may have stored values, too.
local function keep_values(uid, place, kept)
    for evaluation, parts in pairs(evaluations_of(uid, place)) do
        if evaluation ~= kept then
            for part = 0, parts - 1 do
                redis.call('HDEL', key('values', uid), place .. '/' .. evaluation .. '/' .. part)
            end
        end
    end
    redis.call('HDEL', key('evaluations', uid), place)
end

local function settle(uid, found, at)
    local chunk, generation = ARGV[at + 1], ARGV[at + 2]
    local place, open = chunk .. '/' .. generation, true
    if generation == '0' then
        if found.settled == found.chunks then return false end
        if redis.call('SETBIT', key('done', uid), chunk, 1) == 1 then return false end
        if found.published < found.chunks and tonumber(chunk) >= found.published then
            open = redis.call('SETBIT', key('published', uid), chunk, 1) == 1
        end
    else
        local state = redis.call('HGET', key('replays', uid), place)
        if state == 'done' then return false end
        open = state == 'open'
        redis.call('HSET', key('replays', uid), place, 'done')
    end
    if open then add(uid, 'open', -1) end
    if found.values then keep_values(uid, place, ARGV[at + 9]) end
    found.outcomes = found.outcomes + 1
    redis.call('XADD', key('outcomes', uid), found.outcomes .. '-0', 'o', ARGV[at + 6])
    add(uid, 'outcomes', 1)
    local moved = moved_to(uid, found, place)
    if moved then table.insert(entries[uid], moved) end
    if ARGV[at + 7] ~= '' then
        redis.call('XADD', P .. ':tasks:dlq', 'MAXLEN', '~', 100000, '*', 'kind', 'dead letters',
            'uid', uid, 'chunk', chunk, 'generation', generation, 'parameters', ARGV[at + 7])
        redis.call('HSET', key('job', uid), 'dlq', 1)
    end
    local completed, dead, alive = ARGV[at + 4], ARGV[at + 5], ARGV[at + 8] == '1'
    count(uid, 'parameters_completed', completed)
    if generation == '0' then
        count(uid, 'parameters_dead', dead)
        add(uid, 'settled', 1)
        if not alive then redis.call('SETBIT', key('dead', uid), chunk, 1) end
        add(uid, alive and 'chunks_completed' or 'chunks_dead', 1)
    elseif alive then
        -- They were counted as dead with their origin.
        count(uid, 'parameters_dead', '-' .. completed)
        if redis.call('GETBIT', key('dead', uid), chunk) == 1 then
            redis.call('SETBIT', key('dead', uid), chunk, 0)
            add(uid, 'chunks_dead', -1)
            add(uid, 'chunks_completed', 1)
        end
    end
    return true
end

for at = 1, #ARGV, 10 do
    local uid, id = ARGV[at], ARGV[at + 3]
    local found = job(uid)
    if not found or found.cancelled then
        local entry = redis.call('XRANGE', TASKS, id, id)[1]
        if entry and entry_of(entry[2]).j == uid then remove(id) end
        answers[#answers + 1] = 'N'
    else
        entries[uid] = entries[uid] or {}
        table.insert(entries[uid], id)
        if settle(uid, found, at) then
            found.first = true
            answers[#answers + 1] = 'F'
        else
            add(uid, 'duplicates', 1)
            answers[#answers + 1] = 'D'
        end
    end
end
for uid, ids in pairs(entries) do
    add(uid, 'in_flight', -redis.call('XACK', TASKS, GROUP, unpack(ids)))
    redis.call('XDEL', TASKS, unpack(ids))
    local found = known[uid]
    if found.first then redis.call('HSET', key('job', uid), 'last_commit', wall) end
    if found.settled + (found.add.settled or 0) == found.chunks then
        redis.call('UNLINK', key('done', uid), key('published', uid))
        redis.call('HSET', key('job', uid), 'published', found.chunks)
    end
end
close()
return answers

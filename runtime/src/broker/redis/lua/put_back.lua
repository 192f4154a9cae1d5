-- Nacks and give-backs. ARGV: consumer, then six a delivery: entry id, its deliveries, place
-- (uid/chunk/generation), delay in ms, n (nack) or b (give-back), the failure's record or none.
-- Returns 1 for each that was still the consumer's.
local me, now, answers, due_now = ARGV[1], tick(), {}, 0

local function put_back(at)
    local id, name = ARGV[at], ARGV[at + 2]
    if not is_held(me, id, ARGV[at + 1]) then return 0 end
    local uid, place = string.sub(name, 1, 32), string.sub(name, 34)
    local row, found = redis.call('XRANGE', TASKS, id, id)[1], job(uid)
    if not row or not found or found.cancelled then
        if found and not found.cancelled then add(uid, 'in_flight', -1) end
        remove(id)
        return 0
    end
    local entry = entry_of(row[2])
    if entry.j .. '/' .. entry.c .. '/' .. entry.g ~= name then return 0 end
    local silent = tonumber(ARGV[at + 1]) - 1
    entry.s = tonumber(entry.s or '0') + silent
    if ARGV[at + 4] == 'n' then
        entry.f, entry.x, entry.n, entry.u = tonumber(entry.f or '0') + 1, ARGV[at + 5], 1, nil
    else
        entry.b, entry.n = tonumber(entry.b or '0') + 1, nil
        if silent > 0 then entry.u = 1 end
    end
    remove(id)
    add(uid, 'in_flight', -1)
    local fields, delay = fields_of(entry), tonumber(ARGV[at + 3])
    if delay == 0 then
        redis.call('HSET', key('moved', uid), place, 'e' .. append(fields))
        due_now = due_now + 1
    else
        redis.call('HSET', key('moved', uid), place, 'd' .. cmsgpack.pack(fields))
        -- The clock was read in whole milliseconds, and never early is promised.
        redis.call('ZADD', DELAYED, now + delay + 1, name)
        add(uid, 'delayed', 1)
    end
    return 1
end

for at = 2, #ARGV, 6 do answers[#answers + 1] = put_back(at) end
close()
ring(due_now)
return answers

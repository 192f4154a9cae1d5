-- Shared by all scripts; each runs as one, so that nothing is ever seen half done.
--
-- KEYS[1] is the stream; every other key starts as it does, so that on a cluster all of them are
-- in one slot. An entry of the stream is a chunk:
--   j  the job's uid, c  the chunk's number, g  its generation, m  the message
-- and, where they say something,
--   f  failures, s  silent deliveries, b  give-backs, x  the last failure's record,
--   n  its last delivery ended with a failure, u  it is a suspect
local TASKS = KEYS[1]
local P = string.sub(TASKS, 1, -7)
local GROUP = 'workers'
local DELAYED = P .. ':delayed'
local BELL = P .. ':bell'
local CONTROL = P .. ':control'
local JOBS = P .. ':jobs'
local BELLS_MAX = 64

-- The server's clock, in ms.
local function wall_ms()
    local time = redis.call('TIME')
    return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- What deadlines are told by, in ms: the server's clock, but it never goes back. Where that was stepped
-- back, or a server with another one took over, it goes on from where it was.
local function time_ms()
    local control = redis.call('HMGET', CONTROL, 'seen', 'ahead')
    return math.max(wall_ms() + tonumber(control[2] or '0'), tonumber(control[1] or '0'))
end

local function key(kind, uid)
    return P .. ':' .. kind .. ':' .. uid
end

-- What is known of a job, as it was when the script began; false if it is unknown.
local known = {}
local function job(uid)
    local found = known[uid]
    if found == nil then
        local fields = redis.call('HMGET', key('job', uid),
            'state', 'chunks', 'settled', 'published', 'outcomes', 'values')
        found = fields[1] and {
            cancelled = fields[1] == '1',
            chunks = tonumber(fields[2]),
            settled = tonumber(fields[3]),
            published = tonumber(fields[4]),
            outcomes = tonumber(fields[5]),
            values = fields[6] and true,
            -- What the script adds to its counters.
            add = {},
        }
        known[uid] = found
    end
    return found
end

local function add(uid, field, by)
    local counts = known[uid].add
    counts[field] = (counts[field] or 0) + by
end

-- Writes what was added to the counters of jobs.
local function close()
    for uid, found in pairs(known) do
        if found then
            for field, by in pairs(found.add) do
                if by ~= 0 then redis.call('HINCRBY', key('job', uid), field, by) end
            end
        end
    end
end

local function is_settled(found, uid, chunk, generation)
    if generation == '0' then
        -- The bitmaps go when all is settled.
        return found.settled == found.chunks
            or redis.call('GETBIT', key('done', uid), chunk) == 1
    end
    return redis.call('HGET', key('replays', uid), chunk .. '/' .. generation) == 'done'
end

-- Who stored values of a chunk, and in how many parts.
local function evaluations_of(uid, place)
    local packed = redis.call('HGET', key('evaluations', uid), place)
    return packed and cmsgpack.unpack(packed) or {}
end

-- A flat list of fields as a table.
local function entry_of(fields)
    local entry = {}
    for at = 1, #fields, 2 do entry[fields[at]] = fields[at + 1] end
    return entry
end

local OPTIONAL = { 'f', 's', 'b', 'x', 'n', 'u' }
local function fields_of(entry)
    local fields = { 'j', entry.j, 'c', entry.c, 'g', entry.g, 'm', entry.m }
    for _, name in ipairs(OPTIONAL) do
        local value = entry[name]
        if value and value ~= 0 and value ~= '0' then
            fields[#fields + 1] = name
            fields[#fields + 1] = value
        end
    end
    return fields
end

-- Appends to the stream; returns the entry's id.
local function append(fields)
    return redis.call('XADD', TASKS, '*', unpack(fields))
end

-- Whether the fields are those of a chunk.
local function is_chunk(entry)
    return entry.j and entry.c and entry.g and entry.m
        and #entry.j == 32 and string.match(entry.j, '^%x+$')
        and #entry.c < 16 and string.match(entry.c, '^%d+$')
        and #entry.g < 16 and string.match(entry.g, '^%d+$')
end

local function remove(id)
    local held = redis.call('XACK', TASKS, GROUP, id)
    redis.call('XDEL', TASKS, id)
    return held
end

local function set_aside(id, entry, reason)
    redis.call('XADD', P .. ':tasks:dlq', 'MAXLEN', '~', 100000, '*',
        'kind', 'message', 'reason', reason, 'bytes', entry.m or cmsgpack.pack(entry))
    remove(id)
end

-- Wakes consumers that wait.
local function ring(times)
    local room = BELLS_MAX - redis.call('LLEN', BELL)
    for _ = 1, math.min(times, room) do redis.call('LPUSH', BELL, '1') end
end

-- Whether this delivery is still the consumer's own: XACK and XCLAIM do not ask.
local function is_held(me, id, deliveries)
    local pending = redis.call('XPENDING', TASKS, GROUP, id, id, 1, me)[1]
    return pending ~= nil and pending[4] == tonumber(deliveries)
end

-- The same where somebody works, who may have a lease, in ms. Returns until when nobody's work is
-- taken over, too.
local function tick(lease)
    local control = redis.call('HMGET', CONTROL, 'seen', 'ahead', 'calm', 'longest')
    local ahead, calm = tonumber(control[2] or '0'), tonumber(control[3] or '0')
    local now = wall_ms() + ahead
    local seen = tonumber(control[1]) or now
    lease = math.max(lease or 0, tonumber(control[4] or '0'))
    if now < seen then
        -- The server tells by its own clock how long something is pending: see `restamp` of `receive.lua`.
        redis.call('HSET', CONTROL, 'ahead', ahead + seen - now, 'restamp', '-')
        now = seen
    elseif lease > 0 and now - seen > lease * 0.6 then
        -- Nobody was here for so long that leases may have ended because nobody could renew them; or
        -- the clock was stepped forward.
        calm = now + lease
        redis.call('HSET', CONTROL, 'calm', calm)
    end
    redis.call('HSET', CONTROL, 'seen', now)
    return now, calm
end

-- Removes what a cancelled or purged job left, bit by bit. ARGV: uid, which part, where to go on.
-- Returns part and place of the next bit, or nothing at the end.
local uid, part, from = ARGV[1], ARGV[2], ARGV[3]
local BIT = 500

if part == 'moved' then
    local step = redis.call('HSCAN', key('moved', uid), from, 'COUNT', BIT)
    for place, moved in pairs(entry_of(step[2])) do
        if string.sub(moved, 1, 1) == 'd' then redis.call('ZREM', DELAYED, uid .. '/' .. place) end
    end
    if step[1] ~= '0' then return { part, step[1] } end
    redis.call('UNLINK', key('moved', uid))
    return { 'tasks', '-' }
end

local stream = part == 'tasks' and TASKS or P .. ':tasks:dlq'
local rows, gone = redis.call('XRANGE', stream, from, '+', 'COUNT', BIT), {}
for _, row in ipairs(rows) do
    local entry = entry_of(row[2])
    if (part == 'tasks' and entry.j or entry.uid) == uid then gone[#gone + 1] = row[1] end
end
if #gone > 0 then
    if part == 'tasks' then redis.call('XACK', TASKS, GROUP, unpack(gone)) end
    redis.call('XDEL', stream, unpack(gone))
end
if #rows == BIT then return { part, '(' .. rows[BIT][1] } end
if redis.call('SISMEMBER', P .. ':purging', uid) == 0 then return {} end
if part == 'tasks' then return { 'dlq', '-' } end
local KINDS = { 'done', 'published', 'outcomes', 'replays', 'dead', 'moved', 'values', 'evaluations' }
for _, kind in ipairs(KINDS) do
    redis.call('UNLINK', key(kind, uid))
end
redis.call('SREM', P .. ':purging', uid)
return {}

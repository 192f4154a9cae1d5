-- ARGV: eight a chunk: uid, chunk, generation, message, failures, silent deliveries, give-backs, the
-- last failure's record or none. Returns how many were added, or the uid of a job that is gone; then nothing was added.
for at = 1, #ARGV, 8 do
    local found = job(ARGV[at])
    if not found or found.cancelled then return ARGV[at] end
end
local added = 0
for at = 1, #ARGV, 8 do
    local uid, chunk, generation = ARGV[at], ARGV[at + 1], ARGV[at + 2]
    local found, fresh = job(uid), false
    if generation == '0' then
        local number = tonumber(chunk)
        if found.published < found.chunks and number >= found.published then
            fresh = redis.call('SETBIT', key('published', uid), chunk, 1) == 0
            if number == found.published then found.published = number + 1 end
            found.extended = true
        end
    else
        fresh = redis.call('HSETNX', key('replays', uid), chunk .. '/' .. generation, 'open') == 1
    end
    -- After a loss of the server's newest writes an outcome may come before its chunk.
    if fresh and not is_settled(found, uid, chunk, generation) then
        local failure = ARGV[at + 7]
        append(fields_of({
            j = uid, c = chunk, g = generation, m = ARGV[at + 3],
            f = ARGV[at + 4], s = ARGV[at + 5], b = ARGV[at + 6],
            x = failure ~= '' and failure or nil,
        }))
        add(uid, 'open', 1)
        added = added + 1
    end
end
for uid, found in pairs(known) do
    if found and found.extended then
        while found.published < found.chunks
            and redis.call('GETBIT', key('published', uid), found.published) == 1 do
            found.published = found.published + 1
        end
        redis.call('HSET', key('job', uid), 'published', found.published)
    end
end
close()
ring(added)
return added

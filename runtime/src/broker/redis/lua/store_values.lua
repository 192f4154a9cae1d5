-- ARGV: six a record: uid, chunk, generation, evaluation, part, record. Of a chunk that is settled,
-- or of a job that is not there, nothing is stored.
for at = 1, #ARGV, 6 do
    local uid, chunk, generation = ARGV[at], ARGV[at + 1], ARGV[at + 2]
    local found = job(uid)
    if found and not found.cancelled and not is_settled(found, uid, chunk, generation) then
        local place, evaluation, part = chunk .. '/' .. generation, ARGV[at + 3], tonumber(ARGV[at + 4])
        redis.call('HSETNX', key('values', uid), place .. '/' .. evaluation .. '/' .. part, ARGV[at + 5])
        local parts = evaluations_of(uid, place)
        if (parts[evaluation] or 0) <= part then
            parts[evaluation] = part + 1
            redis.call('HSET', key('evaluations', uid), place, cmsgpack.pack(parts))
        end
        if not found.values then
            found.values = true
            redis.call('HSET', key('job', uid), 'values', 1)
        end
    end
end
return 0

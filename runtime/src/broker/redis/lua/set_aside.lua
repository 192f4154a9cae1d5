-- ARGV: three an entry: id, the uid of its job, the reason. Its chunk counts as not yet published,
-- so that submitting the job again brings it back.
for at = 1, #ARGV, 3 do
    local id, uid = ARGV[at], ARGV[at + 1]
    local row, found = redis.call('XRANGE', TASKS, id, id)[1], job(uid)
    if row then
        local entry = entry_of(row[2])
        if found and not found.cancelled and entry.g == '0' and found.settled < found.chunks then
            redis.call('SETBIT', key('published', uid), entry.c, 0)
            found.published = math.min(found.published, tonumber(entry.c))
            redis.call('HSET', key('job', uid), 'published', found.published)
            add(uid, 'open', -1)
            add(uid, 'in_flight', -1)
        end
        set_aside(id, entry, ARGV[at + 2])
    end
end
close()
return 0

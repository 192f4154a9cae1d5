-- ARGV: consumer, where to go on. Returns entry id, its deliveries and place of what is pending on
-- the consumer, at most 500 entries.
local held = {}
for _, pending in ipairs(redis.call('XPENDING', TASKS, GROUP, ARGV[2], '+', 500, ARGV[1])) do
    local row = redis.call('XRANGE', TASKS, pending[1], pending[1])[1]
    local entry = row and entry_of(row[2]) or {}
    local name = row and is_chunk(entry) and entry.j .. '/' .. entry.c .. '/' .. entry.g or ''
    held[#held + 1] = { pending[1], pending[4], name }
end
return held

-- Removes what belongs to no job, if there is no job. Returns whether it did.
if redis.call('EXISTS', JOBS) == 1 or redis.call('EXISTS', P .. ':purging') == 1 then return 0 end
for _, kind in ipairs({ 'delayed', 'bell', 'control', 'consumers', 'beats', 'beaten', 'missing', 'tasks:dlq' }) do
    redis.call('UNLINK', P .. ':' .. kind)
end
redis.call('UNLINK', TASKS)
return 1

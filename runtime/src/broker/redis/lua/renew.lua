-- ARGV: consumer, then three a delivery: entry id, its deliveries, uid. Returns 1 for each that is
-- still the consumer's.
local me, held, answers = ARGV[1], {}, {}
tick()
for at = 2, #ARGV, 3 do
    local found = job(ARGV[at + 2])
    local ours = found and not found.cancelled and is_held(me, ARGV[at], ARGV[at + 1])
    if ours then held[#held + 1] = ARGV[at] end
    answers[#answers + 1] = ours and 1 or 0
end
if #held > 0 then
    held[#held + 1] = 'JUSTID'
    redis.call('XCLAIM', TASKS, GROUP, me, 0, unpack(held))
end
return answers

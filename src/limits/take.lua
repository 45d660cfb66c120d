-- Takes units from the bucket at KEYS[1], or settles them; the same arithmetic as bucket.rs, by the clock of Redis.
-- ARGV: the limit a minute, the units, and 1 to take or 0 to settle. Answers 0, or the milliseconds to wait.
local limit, units, takes = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3] == '1'
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local state = redis.call('HMGET', KEYS[1], 'level', 'at')
local level, at = tonumber(state[1] or '0'), tonumber(state[2] or '0')
level = math.max(0, level - math.max(0, now - at) * limit)
local after = level + units * 60000
if takes then
  local above = after - math.max(limit, units) * 60000
  if above > 0 then
    return math.ceil(above / limit)
  end
end
after = math.min(math.max(after, 0), 9e15)
if after == 0 then
  redis.call('DEL', KEYS[1])
else
  -- Not as 9e+15.
  redis.call('HSET', KEYS[1], 'level', string.format('%.0f', after), 'at', string.format('%.0f', math.max(now, at)))
  redis.call('PEXPIRE', KEYS[1], string.format('%.0f', math.ceil(after / limit) + 1000))
end
return 0

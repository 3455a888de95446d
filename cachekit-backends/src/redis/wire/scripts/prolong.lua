-- KEYS: a version. ARGV: the milliseconds that it lives at least, if what was stored under it ends.
local left = redis.call('PTTL', KEYS[1])
if left >= 0 and not ARGV[1] then
  redis.call('PERSIST', KEYS[1])
elseif left >= 0 and left < tonumber(ARGV[1]) then
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
end
return 1

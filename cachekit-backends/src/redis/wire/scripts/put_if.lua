-- KEYS: the key, and the versions that what is stored was computed under. ARGV: the 16 bytes of the key's state, what to
-- store, and the milliseconds that it lives, if it ends. A version lives as long as each entry under it.
local head = redis.pcall('GETRANGE', KEYS[1], 0, 16)
if type(head) ~= 'string' or #head ~= 17 or string.sub(head, 2) ~= ARGV[1] then
  return 0
end
local mark = string.byte(head)
if mark ~= 86 and mark ~= 76 then
  return 0
end
if ARGV[3] then
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
else
  redis.call('SET', KEYS[1], ARGV[2])
end
for i = 2, #KEYS do
  local left = redis.call('PTTL', KEYS[i])
  if left >= 0 and not ARGV[3] then
    redis.call('PERSIST', KEYS[i])
  elseif left >= 0 and left < tonumber(ARGV[3]) then
    redis.call('PEXPIRE', KEYS[i], ARGV[3])
  end
end
return 1

-- KEYS: the key. ARGV: the 16 bytes of its state, what to store, and the milliseconds that it lives, if it ends.
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
return 1

-- KEYS: the key. ARGV: the 16 bytes of its state.
local head = redis.pcall('GETRANGE', KEYS[1], 0, 16)
if type(head) ~= 'string' or #head ~= 17 or string.sub(head, 2) ~= ARGV[1] then
  return 0
end
local mark = string.byte(head)
if mark ~= 86 and mark ~= 76 then
  return 0
end
redis.call('UNLINK', KEYS[1])
return 1

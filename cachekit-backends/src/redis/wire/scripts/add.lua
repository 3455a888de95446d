-- KEYS: the key. ARGV: what to store unless a value is there, and the milliseconds that it lives, if it ends.
local head = redis.pcall('GETRANGE', KEYS[1], 0, 17)
if type(head) ~= 'string' or (head ~= '' and not (#head == 17 and string.byte(head) == 76)) then
  return 0
end
if ARGV[2] then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
else
  redis.call('SET', KEYS[1], ARGV[1])
end
return 1

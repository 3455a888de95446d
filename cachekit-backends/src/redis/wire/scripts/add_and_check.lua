-- KEYS: a key, and another one. ARGV: what to store under the first one unless a value is there, the 16 bytes of a state of the
-- other one, and the milliseconds that the value lives, if it ends. Returns 0 if nothing was stored, 1 if it was and the other
-- key is in that state, and 2 if it is in another one.
local head = redis.pcall('GETRANGE', KEYS[1], 0, 17)
if type(head) ~= 'string' or (head ~= '' and not (#head == 17 and string.byte(head) == 76)) then
  return 0
end
if ARGV[3] then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
else
  redis.call('SET', KEYS[1], ARGV[1])
end
local state = redis.pcall('GETRANGE', KEYS[2], 0, 16)
if type(state) ~= 'string' or #state ~= 17 or string.sub(state, 2) ~= ARGV[2] then
  return 2
end
local mark = string.byte(state)
if mark ~= 86 and mark ~= 76 then
  return 2
end
return 1

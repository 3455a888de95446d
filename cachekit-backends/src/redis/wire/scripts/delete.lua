-- KEYS: the key. Returns whether more than a lease was there.
local head = redis.pcall('GETRANGE', KEYS[1], 0, 17)
local was = redis.call('UNLINK', KEYS[1])
if was == 1 and not (type(head) == 'string' and #head == 17 and string.byte(head) == 76) then
  return 1
end
return 0

-- KEYS: the keys to look at. ARGV: for each key what to put where nothing of use is, a lease for an entry or a version;
-- then the milliseconds that a lease lives, and the versions at least, of which one is to be stored under. Returns what is under each key then; and after that what was foreign under
-- the entry's. An entry is 'V' (86), 16 bytes and more; a lease 'L' (76) and 16 bytes; a version 'V' and 32 bytes.
local found = redis.call('MGET', unpack(KEYS))
local life = ARGV[#KEYS + 1]
local made = {}
for i, key in ipairs(KEYS) do
  local old, new = found[i], ARGV[i]
  local mark, size = old and string.byte(old), old and #old
  if string.byte(new) == 76 then
    if mark == 76 and size == 17 then
      redis.call('PEXPIRE', key, life)
    elseif not (mark == 86 and size >= 17) then
      redis.call('SET', key, new, 'PX', life)
      found[i] = new
      found[#KEYS + 1] = old
    end
  elseif not (mark == 86 and size == 33) then
    if not made[key] then
      redis.call('SET', key, new, 'PX', life)
      made[key] = new
    end
    found[i] = made[key]
  else
    local left = redis.call('PTTL', key)
    if left >= 0 and left < tonumber(life) then
      redis.call('PEXPIRE', key, life)
    end
  end
end
return found

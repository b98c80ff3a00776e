"""What Redis does for us in one step: nobody sees a checkpoint half read, half deleted or half copied.

Each script gets the keys of a thread in the order of `optiflow.checkpointers.redis.layout.KEYS`.
"""

from __future__ import annotations

__all__ = ["COPY", "PRUNED", "READ", "REMOVE"]

PRUNED = b"pruned"
"""What `REMOVE` answers when it has done its work; otherwise the thread keeps differences, and is as it was."""

READ = r"""
local space, id = ARGV[1], ARGV[2]
if id == '' then
  local newest = redis.call('ZREVRANGEBYLEX', KEYS[1], '(' .. space .. '\255', '[' .. space, 'LIMIT', 0, 1)[1]
  if not newest then return false end
  id = string.sub(newest, #space + 1)
end
local saved = redis.call('HGET', KEYS[2], space .. id)
if not saved then return false end
local blobs = {}
for i, name in ipairs(cjson.decode(string.match(saved, '^[^\n]*\n([^\n]*)')).blobs) do
  blobs[i] = redis.call('HGET', KEYS[3], space .. name)
end
local first = space .. id .. '/'
local names = redis.call('ZRANGEBYLEX', KEYS[4], '[' .. first, '(' .. first .. '\255')
local writes = {}
for i, name in ipairs(names) do writes[i] = redis.call('HGET', KEYS[5], name) end
return {id, saved, blobs, names, writes}
"""
"""A checkpoint with the values of its channels and its pending writes.

ARGV: the namespace with its separator; the id, or nothing for the newest.
"""

REMOVE = r"""
local runs = {}
for i = 2, #ARGV do runs[ARGV[i]] = true end
local function space(member) return string.match(member, '^[^/]*/') end
local members = redis.call('ZRANGE', KEYS[1], 0, -1)
local saved, headers, gone = {}, {}, {}
for i, member in ipairs(members) do
  saved[member] = redis.call('HGET', KEYS[2], member)
  headers[member] = cjson.decode(string.match(saved[member], '^[^\n]*\n([^\n]*)'))
  if ARGV[1] == 'older' then
    if headers[member].delta then return 'delta' end
    gone[member] = members[i + 1] and space(members[i + 1]) == space(member) or nil
  else
    gone[member] = runs[headers[member].run]
  end
end
local needed = {}
for _, member in ipairs(members) do
  if gone[member] then
    redis.call('ZREM', KEYS[1], member)
    redis.call('HDEL', KEYS[2], member)
    local first = member .. '/'
    for _, name in ipairs(redis.call('ZRANGEBYLEX', KEYS[4], '[' .. first, '(' .. first .. '\255')) do
      redis.call('ZREM', KEYS[4], name)
      redis.call('HDEL', KEYS[5], name)
    end
  else
    local parent, rest = string.match(saved[member], '^([^\n]*)(.*)$')
    if gone[space(member) .. parent] then redis.call('HSET', KEYS[2], member, rest) end
    for _, name in ipairs(headers[member].blobs) do needed[space(member) .. name] = true end
  end
end
for _, name in ipairs(redis.call('HKEYS', KEYS[3])) do
  if not needed[name] then redis.call('HDEL', KEYS[3], name) end
end
return 'pruned'
"""
"""Removes checkpoints with their writes, and the values that no other checkpoint needs.

ARGV: ``older`` for all but the newest of each namespace, or ``runs`` and the ids of the runs whose checkpoints go.
"""

COPY = r"""
local half = #KEYS / 2
for i = 1, half do
  local from, to = KEYS[i], KEYS[half + i]
  local kind = redis.call('TYPE', from).ok
  if kind == 'zset' then
    for _, member in ipairs(redis.call('ZRANGE', from, 0, -1)) do redis.call('ZADD', to, 0, member) end
  elseif kind == 'hash' then
    local all = redis.call('HGETALL', from)
    for j = 1, #all, 2 do redis.call('HSET', to, all[j], all[j + 1]) end
  end
end
"""
"""Copies a thread to another, whose keys follow."""

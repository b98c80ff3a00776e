"""Checkpoints in plain Redis or Valkey, from version 6.0 on, without any module."""

from optiflow.checkpointers.redis.saver import RedisSaver

__all__ = ["RedisSaver"]

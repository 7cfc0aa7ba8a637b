"""The cache of computed features and stage maps: found by content, checked by hash, shared by processes, bounded."""

from headstart.features.cache.cache import FeatureCache
from headstart.features.cache.info import CacheInfo, SettingInfo
from headstart.features.cache.size_limit import CacheLimit, named_limit, parse_size, size_in_words

__all__ = ["CacheInfo", "CacheLimit", "FeatureCache", "SettingInfo", "named_limit", "parse_size", "size_in_words"]

"""Files of a recording: shards of arrays, checksums and seal, on a disk or behind a URL."""

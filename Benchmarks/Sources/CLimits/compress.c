#include "CLimits.h"

#include <lz4frame.h>
#include <snappy-c.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

size_t limit_compress(const char *codec, const void *data, size_t size, size_t times) {
  size_t capacity = size * 2 + 4096, result = 0;
  void *out = malloc(capacity);
  if (strcmp(codec, "gzip") == 0) {
    z_stream stream = {0};
    deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
    for (size_t i = 0; i < times; i++) {
      deflateReset(&stream);
      stream.next_in = (Bytef *)data;
      stream.avail_in = (uInt)size;
      stream.next_out = out;
      stream.avail_out = (uInt)capacity;
      deflate(&stream, Z_FINISH);
      result = stream.total_out;
    }
    deflateEnd(&stream);
  } else if (strcmp(codec, "zstd") == 0) {
    ZSTD_CCtx *context = ZSTD_createCCtx();
    for (size_t i = 0; i < times; i++) result = ZSTD_compressCCtx(context, out, capacity, data, size, ZSTD_CLEVEL_DEFAULT);
    ZSTD_freeCCtx(context);
  } else if (strcmp(codec, "lz4") == 0) {
    for (size_t i = 0; i < times; i++) result = LZ4F_compressFrame(out, capacity, data, size, NULL);
  } else if (strcmp(codec, "snappy") == 0) {
    for (size_t i = 0; i < times; i++) {
      result = capacity;
      snappy_compress(data, size, out, &result);
    }
  }
  free(out);
  return result;
}

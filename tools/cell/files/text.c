/*
 * Theory of operation: a byte order mark decides; without one it is UTF-8 when all of it is, and
 * bytes otherwise. UTF-16 is decoded only when it is well-formed, so that text_encode gives back
 * what came in, byte by byte.
 */
#include "tools/cell/files/text.h"

#include <errno.h>
#include <string.h>

#include "base/text.h"

static const char *const encodings[] = {
	[TEXT_UTF8] = "utf-8",	     [TEXT_UTF8_BOM] = "utf-8-bom", [TEXT_UTF16LE] = "utf-16le",
	[TEXT_UTF16BE] = "utf-16be", [TEXT_BYTES] = "binary-safe",
};
static_assert(ARRAY_SIZE(encodings) == TEXT_ENCODING_N, "every encoding has a name");

static const struct {
	const char *bytes;
	size_t len;
} marks[] = {
	[TEXT_UTF8] = {"", 0},
	[TEXT_UTF8_BOM] = {"\xef\xbb\xbf", 3},
	[TEXT_UTF16LE] = {"\xff\xfe", 2},
	[TEXT_UTF16BE] = {"\xfe\xff", 2},
	[TEXT_BYTES] = {"", 0},
};
static_assert(ARRAY_SIZE(marks) == TEXT_ENCODING_N, "every encoding has a mark, or none");

static const char *const endings[] = {
	[TEXT_NONE] = "none",
	[TEXT_LF] = "lf",
	[TEXT_CRLF] = "crlf",
	[TEXT_MIXED] = "mixed",
};
static_assert(ARRAY_SIZE(endings) == TEXT_ENDING_N, "every kind of line end has a name");

const char *text_encoding_name(enum text_encoding encoding)
{
	return encodings[encoding];
}

const char *text_ending_name(enum text_ending ending)
{
	return endings[ending];
}

static enum text_encoding find_mark(const char *data, size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(marks); i++)
		if (marks[i].len > 0 && len >= marks[i].len &&
		    memcmp(data, marks[i].bytes, marks[i].len) == 0)
			return (enum text_encoding)i;
	return TEXT_UTF8;
}

/* A code point as UTF-8.  Return: its length. */
static size_t put_utf8(char *dst, uint32_t c)
{
	if (c < 0x80) {
		dst[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		dst[0] = (char)(0xc0 | c >> 6);
		dst[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		dst[0] = (char)(0xe0 | c >> 12);
		dst[1] = (char)(0x80 | (c >> 6 & 0x3f));
		dst[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	dst[0] = (char)(0xf0 | c >> 18);
	dst[1] = (char)(0x80 | (c >> 12 & 0x3f));
	dst[2] = (char)(0x80 | (c >> 6 & 0x3f));
	dst[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

static uint32_t unit_at(const char *data, size_t i, bool big)
{
	uint32_t first = (unsigned char)data[i];
	uint32_t second = (unsigned char)data[i + 1];

	return big ? first << 8 | second : second << 8 | first;
}

static int decode_utf16(struct buf *out, const char *data, size_t len, bool big)
{
	size_t i = 0;
	int r;

	if (len % 2)
		return -EILSEQ;
	/* Three bytes at most come of two. */
	r = buf_reserve(out, len / 2 * 3);
	if (r < 0)
		return r;
	while (i < len) {
		uint32_t c = unit_at(data, i, big);

		i += 2;
		if (c >= 0xd800 && c < 0xe000) {
			uint32_t low = i < len ? unit_at(data, i, big) : 0;

			if (c >= 0xdc00 || low < 0xdc00 || low >= 0xe000)
				return -EILSEQ;
			c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
			i += 2;
		}
		out->len += put_utf8(out->data + out->len, c);
	}
	out->data[out->len] = '\0';
	return 0;
}

/* The code point at @p, which begins @n bytes of well-formed UTF-8. */
static uint32_t code_point(const unsigned char *p, int n)
{
	static const unsigned char masks[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
	uint32_t c = p[0] & masks[n];

	for (int i = 1; i < n; i++)
		c = c << 6 | (p[i] & 0x3f);
	return c;
}

static int append_unit(struct buf *out, uint32_t unit, bool big)
{
	unsigned char high = (unsigned char)(unit >> 8);
	unsigned char low = (unsigned char)unit;
	unsigned char bytes[2] = {big ? high : low, big ? low : high};

	return buf_append(out, bytes, 2);
}

static int encode_utf16(struct buf *out, const char *data, size_t len, bool big)
{
	const unsigned char *p = (const unsigned char *)data;
	size_t i = 0;
	int r = 0;

	while (i < len && r == 0) {
		int n = text_utf8_len(p + i, len - i);
		uint32_t c;

		if (n <= 0)
			return -EILSEQ;
		c = code_point(p + i, n);
		i += (size_t)n;
		if (c < 0x10000) {
			r = append_unit(out, c, big);
			continue;
		}
		r = append_unit(out, 0xd800 + ((c - 0x10000) >> 10), big);
		if (r == 0)
			r = append_unit(out, 0xdc00 + ((c - 0x10000) & 0x3ff), big);
	}
	return r;
}

int text_encode(struct buf *out, enum text_encoding encoding, const char *data, size_t len)
{
	int r = buf_append(out, marks[encoding].bytes, marks[encoding].len);

	if (r < 0)
		return r;
	if (encoding == TEXT_UTF16LE || encoding == TEXT_UTF16BE)
		return encode_utf16(out, data, len, encoding == TEXT_UTF16BE);
	return buf_append(out, data, len);
}

size_t text_lines(const char *data, size_t len, enum text_ending *ret_ending)
{
	size_t lf = 0;
	size_t crlf = 0;
	const char *p = data;
	const char *end = data + len;

	while (p < end) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));

		if (!nl)
			break;
		lf++;
		crlf += nl > data && nl[-1] == '\r';
		p = nl + 1;
	}
	if (ret_ending)
		*ret_ending = lf == 0	   ? TEXT_NONE
			      : crlf == 0  ? TEXT_LF
			      : crlf == lf ? TEXT_CRLF
					   : TEXT_MIXED;
	return lf + (p < end);
}

/* Almost all text is ASCII, of which eight bytes at once can be told. */
static bool is_utf8(const char *data, size_t len)
{
	const uint64_t high = UINT64_C(0x8080808080808080);
	size_t i = 0;

	while (i < len) {
		uint64_t word;
		int n;

		if (len - i >= sizeof(word)) {
			(void)memcpy(&word, data + i, sizeof(word));
			if (!(word & high)) {
				i += sizeof(word);
				continue;
			}
		}
		n = text_utf8_len((const unsigned char *)data + i, len - i);
		if (n <= 0)
			return false;
		i += (size_t)n;
	}
	return true;
}

int text_look(const char *data, size_t len, struct text *ret)
{
	enum text_encoding encoding = find_mark(data, len);
	size_t mark = marks[encoding].len;
	struct text t = {.encoding = encoding, .data = data + mark, .len = len - mark};
	int r;

	if (encoding == TEXT_UTF16LE || encoding == TEXT_UTF16BE) {
		t.decoded.cap = (len + 2) * 2;
		r = decode_utf16(&t.decoded, t.data, t.len, encoding == TEXT_UTF16BE);
		if (r < 0) {
			buf_fini(&t.decoded);
			return r;
		}
		t.data = t.decoded.len > 0 ? t.decoded.data : "";
		t.len = t.decoded.len;
	} else if (!is_utf8(t.data, t.len)) {
		t = (struct text){.encoding = TEXT_BYTES, .data = data, .len = len};
	}
	t.lines = text_lines(t.data, t.len, &t.ending);
	*ret = t;
	return 0;
}

void text_fini(struct text *t)
{
	if (t)
		buf_fini(&t->decoded);
}

static const struct {
	const char *bytes;
	size_t len;
	const char *name;
} kinds[] = {
	{"\x89PNG\r\n\x1a\n", 8, "PNG image"},
	{"\xff\xd8\xff", 3, "JPEG image"},
	{"GIF87a", 6, "GIF image"},
	{"GIF89a", 6, "GIF image"},
	{"BM", 2, "BMP image"},
	{"II*\0", 4, "TIFF image"},
	{"MM\0*", 4, "TIFF image"},
	{"\0\0\1\0", 4, "icon image"},
	{"%PDF-", 5, "PDF document"},
	{"\x7f"
	 "ELF",
	 4, "ELF program or object"},
	{"\0asm", 4, "WebAssembly module"},
	{"PK\3\4", 4, "ZIP archive (or jar, docx, ...)"},
	{"\x1f\x8b", 2, "gzip archive"},
	{"BZh", 3, "bzip2 archive"},
	{"\xfd"
	 "7zXZ\0",
	 6, "xz archive"},
	{"\x28\xb5\x2f\xfd", 4, "zstd archive"},
	{"!<arch>\n", 8, "static library"},
	{"SQLite format 3\0", 16, "SQLite database"},
};

const char *text_binary_name(const char *data, size_t len)
{
	if (len >= 12 && memcmp(data, "RIFF", 4) == 0 && memcmp(data + 8, "WEBP", 4) == 0)
		return "WebP image";
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (len >= kinds[i].len && memcmp(data, kinds[i].bytes, kinds[i].len) == 0)
			return kinds[i].name;
	return NULL;
}

-- wrk signing each app-tracking event the Trackpilots way: HMAC-SHA256 through OpenSSL, which Debian's wrk links.
-- Arguments after --: the secret, and "keyed" to prepare the key once instead of with every event.
-- Written for one thread: a second one would send the same ids.
local ffi = require("ffi")
ffi.cdef[[
typedef struct evp_md_st EVP_MD;
const EVP_MD *EVP_sha256(void);
unsigned char *HMAC(const EVP_MD *md, const void *key, int key_len, const unsigned char *d, size_t n,
                    unsigned char *out, unsigned int *out_len);
typedef struct hmac_ctx_st HMAC_CTX;
HMAC_CTX *HMAC_CTX_new(void);
int HMAC_Init_ex(HMAC_CTX *ctx, const void *key, int len, const EVP_MD *md, void *engine);
int HMAC_Update(HMAC_CTX *ctx, const unsigned char *data, size_t len);
int HMAC_Final(HMAC_CTX *ctx, unsigned char *out, unsigned int *len);
typedef long time_t;
typedef struct { long tv_sec; long tv_nsec; } timespec_t;
int clock_gettime(int clk, timespec_t *ts);
]]
local C = ffi.C
local md = C.EVP_sha256()
local out, out_len, ts = ffi.new("unsigned char[32]"), ffi.new("unsigned int[1]"), ffi.new("timespec_t")
local hex = {}
for i = 0, 255 do hex[i] = string.format("%02x", i) end
local secret, keyed, count = "", nil, 0
local concat, format = table.concat, string.format
local digits = {}
local stamp, stamped = "", -1

local apps = {
  {"Google Chrome", "google.com", "/search?q=report"}, {"Slack", "slack.com", "/client/threads"},
  {"GitHub", "github.com", "/issues/assigned"}, {"Figma", "figma.com", "/files/recents"},
  {"Notion", "notion.so", "/team-handbook"}, {"Gmail", "mail.google.com", "/mail/u/0/#inbox"},
}

function request()
  count = count + 1
  C.clock_gettime(0, ts)
  local s, ms = tonumber(ts.tv_sec), math.floor(tonumber(ts.tv_nsec) / 1000000)
  local app = apps[count % #apps + 1]
  local seconds = count % 50 + 10
  local tail = format("%012x", count)
  if s ~= stamped then stamped, stamp = s, os.date("!%Y-%m-%dT%H:%M:", s) .. format("%02d.", s % 60) end
  local body = concat{
    '{"event":"desktop.app_tracking.captured","version":"v1","agent":"desktop-agent","simulation":true,"timestamp":',
    format("%d%03d", s, ms),
    ',"data":[{"organisation":{"organisationId":"3c90c3cc-0d44-4b50-8888-8dd25736052a"},"team":{"teamId":"3c90c3cc-0d44-4b50-8888-',
    format("%012x", count % 8), '"},"user":{"userId":"3c90c3cc-0d44-4b50-8888-', format("%012x", count % 400),
    '"},"tracking":{"trackingId":"e2fbd487-1ede-43e9-bd62-', tail, '","app":{"name":"', app[1],
    '","type":"website","category":"Unknown Category","iconUrl":"https://www.', app[2], '/favicon.ico","domain":"',
    app[2], '","fullUrl":"https://www.', app[2], app[3], '","productivityStatus":"neutral"},"time":{"startDate":"', stamp,
    format("%03dZ", ms), '","endDate":"', stamp, format("%03dZ", ms), '","durationInSeconds":',
    seconds, '},"trackingMode":"online","operatingSystem":"macos"}}]}',
  }
  local second = format("%d", s)
  local message = second .. "." .. body
  local bytes = ffi.cast("const unsigned char *", message)
  if keyed then
    C.HMAC_Init_ex(keyed, nil, 0, nil, nil)
    C.HMAC_Update(keyed, bytes, #message)
    C.HMAC_Final(keyed, out, out_len)
  else
    C.HMAC(md, secret, #secret, bytes, #message, out, out_len)
  end
  for i = 0, 31 do digits[i + 1] = hex[out[i]] end
  return concat{
    "POST ", wrk.path, " HTTP/1.1\r\nHost: ", wrk.host, "\r\nUser-Agent: wrk\r\nAccept: */*\r\nContent-Type: application/json\r\nX-Webhook-Signature: ",
    concat(digits), "\r\nX-Webhook-Timestamp: ", second, "\r\nX-Loadsim-Id: wrk/", format("%d", count), "/1\r\nContent-Length: ",
    #body, "\r\n\r\n", body,
  }
end

function init(args)
  secret = args[1]
  if args[2] == "keyed" then
    keyed = C.HMAC_CTX_new()
    C.HMAC_Init_ex(keyed, secret, #secret, md, nil)
  end
end


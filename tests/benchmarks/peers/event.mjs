// The app-tracking event of the JavaScript peers: the same fields and about the same length as loadsim's.
const APPS = [
  ["Google Chrome", "google.com", "/search?q=report"], ["Slack", "slack.com", "/client/threads"],
  ["GitHub", "github.com", "/issues/assigned"], ["Figma", "figma.com", "/files/recents"],
  ["Notion", "notion.so", "/team-handbook"], ["Gmail", "mail.google.com", "/mail/u/0/#inbox"],
];

let second = -1;
let stamp = "";

// Event `count` of sender `sender` at `now` (ms since 1970): every pair gives another body.
export function body(sender, count, now) {
  const app = APPS[count % APPS.length];
  const whole = Math.floor(now / 1000);
  if (whole !== second) {
    second = whole;
    stamp = new Date(whole * 1000).toISOString().slice(0, 20);
  }
  const moment = stamp + String(now % 1000).padStart(3, "0") + "Z";
  const tail = count.toString(16).padStart(12, "0");
  return `{"event":"desktop.app_tracking.captured","version":"v1","agent":"desktop-agent","simulation":true,"timestamp":${now},` +
    `"data":[{"organisation":{"organisationId":"3c90c3cc-0d44-4b50-8888-8dd25736052a"},"team":{"teamId":"3c90c3cc-0d44-4b50-8888-` +
    `${(count % 8).toString(16).padStart(12, "0")}"},"user":{"userId":"3c90c3cc-0d44-4b50-8888-` +
    `${(count % 400).toString(16).padStart(12, "0")}"},"tracking":{"trackingId":"${sender.toString(16).padStart(8, "0")}-1ede-43e9-bd62-${tail}",` +
    `"app":{"name":"${app[0]}","type":"website","category":"Unknown Category","iconUrl":"https://www.${app[1]}/favicon.ico",` +
    `"domain":"${app[1]}","fullUrl":"https://www.${app[1]}${app[2]}","productivityStatus":"neutral"},"time":{"startDate":"${moment}",` +
    `"endDate":"${moment}","durationInSeconds":${(count % 50) + 10}},"trackingMode":"online","operatingSystem":"macos"}}]}`;
}

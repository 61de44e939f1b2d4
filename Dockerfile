# A small image with loadsim as its entry point. Untested: no container could be started where it was written.
#
#   docker build -t loadsim .
#   docker run --rm loadsim run quickstart
#   docker run --rm --network host --ulimit nofile=65536 -e TRACKPILOTS_WEBHOOKS_SECRET_KEY -v "$PWD:/data" \
#     --user "$(id -u):$(id -g)" loadsim run http://127.0.0.1:3000/webhooks -r 50/s -d 30s
#
# Results are in /data/reports: mount a directory of your own there to keep them.
FROM python:3.13-slim AS build
WORKDIR /source
COPY . .
RUN python -m venv /opt/loadsim && /opt/loadsim/bin/pip install --no-cache-dir '.[report]'

FROM python:3.13-slim
COPY --from=build /opt/loadsim /opt/loadsim
RUN useradd --create-home loadsim && install -d -o loadsim -g loadsim /data
USER loadsim
WORKDIR /data
ENTRYPOINT ["/opt/loadsim/bin/loadsim"]

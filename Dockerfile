# The whole program in one image: the pages are built, then embedded in the binary, and only the binary is kept.

FROM node:22.16-bookworm-slim AS web
WORKDIR /src/web
COPY web/package.json web/package-lock.json ./
RUN npm ci
COPY web/ ./
RUN npm run build

FROM rust:1.95-bookworm AS build
WORKDIR /src
RUN apt-get update && apt-get install -y --no-install-recommends cmake && rm -rf /var/lib/apt/lists/*
COPY . .
COPY --from=web /src/web/dist web/dist
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --release --locked && install -D target/release/cityloom /out/cityloom

FROM debian:12.11-slim
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates curl tzdata \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /city --shell /usr/sbin/nologin cityloom \
    && install -d -o cityloom -g cityloom /city /data
COPY --from=build /out/cityloom /usr/local/bin/cityloom
COPY --chown=cityloom cityloom.toml /city/
COPY --chown=cityloom schemas /city/schemas
COPY --chown=cityloom queries /city/queries
COPY --chown=cityloom fixtures /city/fixtures
USER cityloom
WORKDIR /city
ENV CITYLOOM_CITY=/city CITYLOOM_DATA=/data CITYLOOM_LISTEN=0.0.0.0:8080
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD curl --fail --silent --show-error http://127.0.0.1:8080/healthz || exit 1
# `serve` wants keys here, because it listens to others: mount a city folder whose cityloom.toml has [access]. `demo` runs open.
ENTRYPOINT ["cityloom"]
CMD ["serve"]

# The image of omnigraph-server. It holds the command line too, so a cluster can be changed from inside a container.
#
#   docker build -t omnigraph-server:local .
#   docker build -t omnigraph-server:local-aws --build-arg OMNIGRAPH_EXTRAS=aws .
#
# BASE_IMAGE may name a mirror of the same image without limits on anonymous pulls, and a digest.
ARG BASE_IMAGE=python:3.12-slim-bookworm

FROM ${BASE_IMAGE} AS build
ARG OMNIGRAPH_EXTRAS=""
ENV PIP_NO_CACHE_DIR=1
WORKDIR /usr/src/omnigraph
COPY . .
RUN OMNIGRAPH_EXTRAS="${OMNIGRAPH_EXTRAS}" sh docker/install.sh . /opt/omnigraph /opt/omnigraph/programs

FROM ${BASE_IMAGE}
ARG OMNIGRAPH_SOURCE_VERSION=""
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates curl \
 && rm -rf /var/lib/apt/lists/* \
 && groupadd --system --gid 10001 omnigraph \
 && useradd --system --uid 10001 --gid omnigraph --home-dir /var/lib/omnigraph --create-home --shell /usr/sbin/nologin omnigraph
COPY --from=build /opt/omnigraph /opt/omnigraph
COPY --chmod=755 docker/entrypoint.sh /usr/local/bin/omnigraph-entrypoint
RUN ln -s /opt/omnigraph/bin/omnigraph /opt/omnigraph/bin/omnigraph-server /opt/omnigraph/bin/omnigraph-server-aws /usr/local/bin/

ENV OMNIGRAPH_BIND=0.0.0.0:8080 \
    OMNIGRAPH_SOURCE_VERSION=${OMNIGRAPH_SOURCE_VERSION} \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 10001:10001
WORKDIR /var/lib/omnigraph
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s --retries=3 \
    CMD ["curl", "-fsS", "http://127.0.0.1:8080/healthz"]
ENTRYPOINT ["/usr/local/bin/omnigraph-entrypoint"]

# docker build -t tercet .                           the coordinator: `serve`, or any other command of `tercet`
# docker build -t tercet-samples --target samples .  the services of examples/
# Another mirror, or a digest: --build-arg NODE=…
ARG NODE=node:22.23.3-slim

# --omit=optional leaves out the embedded PostgreSQL: here DATABASE_URL names a server. --ignore-scripts: no package needs
# its own without it, and `prepare` would build before the sources are there.
FROM ${NODE} AS manifests
WORKDIR /opt/tercet
COPY package.json package-lock.json .npmrc ./
COPY src/client/package.json src/client/

FROM manifests AS build
RUN npm ci --omit=optional --ignore-scripts --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY bin bin
COPY src src
COPY migrations migrations
COPY examples examples
RUN npm run build

FROM manifests AS production
RUN npm ci --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund

FROM ${NODE} AS runtime
ENV NODE_ENV=production
WORKDIR /opt/tercet
COPY --from=production /opt/tercet ./
# Files are root's: the process can change none of them.
USER node
STOPSIGNAL SIGTERM

FROM runtime AS samples
COPY --from=build /opt/tercet/src/client/dist src/client/dist
COPY --from=build /opt/tercet/dist/examples dist/examples
ENV LISTEN_HOST=0.0.0.0 PORT=3000
EXPOSE 3000
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:' + process.env.PORT + '/tercet/ready').then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "dist/examples/order/main.js"]

FROM runtime AS coordinator
COPY --from=build /opt/tercet/bin bin
COPY --from=build /opt/tercet/dist/src dist/src
COPY --from=build /opt/tercet/dist/migrations dist/migrations
# Beyond loopback it listens only with TERCET_KEYS.
ENV TERCET_LISTEN=0.0.0.0:8372
EXPOSE 8372
# Whether the process answers, and not whether it is ready: who restarts what is unhealthy would restart every node while
# the database is away, which helps nobody, since they come back by themselves. Balancers ask /health/ready.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:8372/health/live').then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "--max-semi-space-size=32", "bin/tercet.js"]
CMD ["serve"]

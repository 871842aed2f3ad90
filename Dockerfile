# Two images from one file: `web` (site, default worker, clock; no torch) and `worker` (the GPU worker with its engine).
#   docker build --target web -t artistcloner-web .
#   docker build --target worker -t artistcloner-worker .
# A worker without a GPU is smaller with torch's CPU build:
#   docker build --target worker --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cpu -t artistcloner-worker .

FROM python:3.11-slim AS web-packages
ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /app
COPY pyproject.toml ./
# pip reads dependency groups from 25.1 on
RUN pip install --upgrade "pip>=25.1" && pip install --group web

FROM web-packages AS worker-packages
ARG TORCH_INDEX=https://pypi.org/simple
RUN pip install --extra-index-url "$TORCH_INDEX" --group engine

FROM web-packages AS web
ENV DJANGO_SETTINGS_MODULE=config.settings.prod STATE_DIR=/data STATIC_ROOT=/app/collected
RUN useradd --uid 10001 --create-home artist && install -d -o artist -g artist /data
COPY . .
# the local settings need no secrets; what is collected is the same
RUN DJANGO_SETTINGS_MODULE=config.settings.local STATE_DIR=/tmp/build python manage.py collectstatic --noinput -v0
USER artist
VOLUME /data
EXPOSE 8000
CMD ["daphne", "-b", "0.0.0.0", "-p", "8000", "config.asgi:application"]

FROM worker-packages AS worker
ENV DJANGO_SETTINGS_MODULE=config.settings.prod STATE_DIR=/data STATIC_ROOT=/app/collected
RUN useradd --uid 10001 --create-home artist && install -d -o artist -g artist /data
COPY --from=web /app /app
USER artist
VOLUME /data
CMD ["celery", "-A", "config.celery", "worker", "-Q", "gpu", "-n", "gpu@%h", "--pool=threads", "--concurrency=1", "--without-gossip", "--without-mingle", "--loglevel=INFO"]

# CPU image by default; the GPU image with: docker build --build-arg EXTRA=gpu .
FROM python:3.11-slim
ARG EXTRA=cpu
ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 TENKYO_HOME=/data TENKYO_HOST=0.0.0.0

# OCR for scanned pages.
RUN apt-get update -q && apt-get install -qy --no-install-recommends \
        tesseract-ocr tesseract-ocr-eng tesseract-ocr-jpn tesseract-ocr-jpn-vert \
    && rm -rf /var/lib/apt/lists/*

RUN useradd --create-home --uid 10001 tenkyo && mkdir /data && chown tenkyo /data
WORKDIR /opt/tenkyo
COPY . .
RUN pip install --disable-pip-version-check -c constraints.txt ".[${EXTRA}]"

USER tenkyo
VOLUME /data
EXPOSE 8000
HEALTHCHECK --start-period=60s CMD python -c "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/healthz', timeout=3)"
ENTRYPOINT ["tenkyo"]
CMD ["serve"]

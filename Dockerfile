# The server: docker build -t discogan . && docker run -p 8000:8000 -v "$PWD/runs/one:/run:ro" discogan
FROM python:3.11-slim
RUN useradd --create-home --uid 1000 discogan
COPY pyproject.toml README.md LICENSE constraints.txt /source/
COPY discogan /source/discogan
# If pip's default build of PyTorch is a large GPU build, pass --build-arg PIP_EXTRA_INDEX_URL=... with the index of CPU
# builds from pytorch.org. pip reads it from the environment.
ARG PIP_EXTRA_INDEX_URL=""
RUN pip install --no-cache-dir --constraint /source/constraints.txt "/source[web,export]" && rm -rf /source
USER discogan
ENV DISCOGAN_CACHE=/tmp/discogan
EXPOSE 8000
HEALTHCHECK CMD python -c "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz')"
ENTRYPOINT ["discogan", "serve"]
CMD ["/run", "--host", "0.0.0.0", "--port", "8000"]

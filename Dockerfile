# gradcam for GPU servers. The image has the program and libtorch, no Python and no compiler.
#
#     docker build -t gradcam:cuda .
#     docker build -t gradcam:cpu --build-arg CUDA=0 .
#     docker run --rm -it --gpus all -v "$PWD:/data" -w /data -e TERM -e COLORTERM gradcam:cuda gradcam val --model best.pth
#
# Reviews lie in /state; mount a folder there to keep them: -v "$HOME/.local/state:/state".

FROM rust:1.95-trixie AS build
RUN apt-get update && apt-get install -y --no-install-recommends python3-pip && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY scripts/libtorch.sh scripts/
ARG CUDA=1
# On its own, so that changed sources do not fetch libtorch again.
RUN scripts/libtorch.sh $([ "$CUDA" = 1 ] && echo cuda || echo cpu)
COPY . .
RUN make install PREFIX=/opt/gradcam CUDA=$CUDA

FROM debian:trixie-slim
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/gradcam /opt/gradcam
ENV PATH=/opt/gradcam/bin:$PATH \
    XDG_STATE_HOME=/state \
    LANG=C.UTF-8 \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
RUN mkdir -m 1777 /state
CMD ["gradcam", "doctor"]

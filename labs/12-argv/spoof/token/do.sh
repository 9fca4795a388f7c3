# another learner's image: its processes do not count
cat >Dockerfile <<'X'
FROM box
COPY serve /bin/serve
RUN echo 000000 > /etc/greeting
ENTRYPOINT ["serve", "--name", "somebody"]
CMD ["--quiet"]
X
./minirun build -q -t web .

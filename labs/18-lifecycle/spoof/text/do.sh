# what hooks would have written, and a state that only a file claims
printf 'createRuntime\ncreateContainer\nstartContainer\npoststart\npoststop\n' > log/order
./minirun run -d two bundle
MINIRUN_LAB={{token}}:bundle sleep {{seconds}} &

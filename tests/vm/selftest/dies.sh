. "$NP_LIB"
t_ok 'before'
kill -9 $$

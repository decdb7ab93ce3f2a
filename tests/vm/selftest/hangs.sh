. "$NP_LIB"
t_ok 'before'
sleep 1000
t_done

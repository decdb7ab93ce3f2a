. "$NP_LIB"
t_ok 'before'
exit 0

. "$NP_LIB"
t_done

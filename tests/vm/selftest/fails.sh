. "$NP_LIB"
t_ok 'this holds'
t_is 'this does not' 1 2
t_refused 'a command that is killed was not refused' 1 . sh -c 'echo no; kill -9 $$'
t_done

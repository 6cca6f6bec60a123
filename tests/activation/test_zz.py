import time, os, killed_run
from test_activation_crash import processes, open_shop
def test_t(processes, tmp_path, receiver):
    shop = open_shop(tmp_path); shop.fill(2000)
    url=f"sqlite:///{tmp_path}/s.db"
    for i in range(4):
        t=time.time(); p=processes.Process(target=os._exit,args=(0,)); p.start(); p.join(); print("noop",time.time()-t)
    for plans in (True,True,False):
        t=time.time(); p=processes.Process(target=killed_run.run,args=(str(tmp_path),url,receiver.url,True,plans)); p.start(); p.join(); print("run",time.time()-t, p.exitcode)
    assert 0

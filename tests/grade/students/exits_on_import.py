import os

print('file     layer  mistake')
os._exit(0)

"""`summer-serve`: the emotions of one's own recording, in a browser.

command.py, run.py   the options; the call: everything below put together, until it is stopped
home.py              the folder that everything given is kept below, and what killed servers left
limits.py            how much, how long, how many
talks.py             what each session gave and got, and when it goes
arrivals.py          the way in: uploads          results.py  the way out: page, film, timelines
line.py              who waits for whom           predictor.py, child.py  the process that predicts
questions.py         what is said to that process, and by it
messages.py, sentences.py  what is said to the user: never a path of the server
doors.py             which addresses there are
page.py, session.py, view.py, assets/  what is seen, what happens, how it looks
"""

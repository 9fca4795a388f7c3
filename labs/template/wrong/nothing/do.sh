# the learner starts nothing

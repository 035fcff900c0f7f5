"""From a model to a robot that differs, step by step: page 16.

    physics     HalfCheetah with other bodies and motors, and the log of what it did
    identify    a body's factors from a log, with their uncertainty
    actuator    a model of the motors from a log
    robot       the robot itself: acted on and measured, its numbers sealed

Source: Hwangbo et al. 2019, "Learning agile and dynamic motor skills for legged
robots", Science Robotics 4(26).
"""
